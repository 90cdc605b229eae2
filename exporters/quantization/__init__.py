"""Static int8 quantisation: calibration, ranges, rounding of weights, and the QDQ graph."""
