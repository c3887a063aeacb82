"""Scores of pyod's AutoEncoder with its own defaults: peer_anomaly.py TRAIN TEST SEED OUTPUT."""
import sys

import numpy
from pyod.models.auto_encoder import AutoEncoder

train, test = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])
model = AutoEncoder(random_state=int(sys.argv[3]), verbose=0)
model.fit(train)
numpy.save(sys.argv[4], model.decision_function(test))
