"""Vectors of NVDEC and of Jetson's encoder, refused until they were calibrated on the device."""
