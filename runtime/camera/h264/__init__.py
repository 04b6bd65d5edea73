"""H.264 as bytes: NAL units, parameter sets, slice headers, the order of pictures. Pure; knows no library."""
