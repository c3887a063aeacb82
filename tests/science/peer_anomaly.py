"""Scores of pyod's AutoEncoder with its own defaults. Reads lines "TRAIN TEST SEED OUTPUT" and answers
each with a line once OUTPUT has the scores, so that PyTorch is loaded once."""
import sys

import numpy
from pyod.models.auto_encoder import AutoEncoder

for line in sys.stdin:
    train, test, seed, output = line.split()
    model = AutoEncoder(random_state=int(seed), verbose=0)
    model.fit(numpy.load(train))
    numpy.save(output, model.decision_function(numpy.load(test)))
    print("done", flush=True)
