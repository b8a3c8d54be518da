"""A trained model out of torch: one graph from waveform and words to the answer."""

from crosstone.inference.export.folder import (
    INT8,
    MOST_DIFFERENCE,
    Difference,
    Exported,
    export_onnx,
)

__all__ = ["INT8", "MOST_DIFFERENCE", "Difference", "Exported", "export_onnx"]
