"""Where the time goes: `magno profile BUNDLE`. Stages on a real clip, layers of each graph, the device's own roof.

`cli` orders it, `stages` and `ort_layers` measure, `layers` and `flops` reckon, `report` and `page` tell. No torch, no
onnx: it runs wherever the runtime does.
"""
