"""How good a network is: evaluation and calibration."""
