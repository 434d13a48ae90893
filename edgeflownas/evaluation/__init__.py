"""How good is one network? Recalibrated statistics, end-point errors, predictions and benchmark metrics."""
