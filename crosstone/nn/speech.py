"""What a speech encoder of ours says of itself."""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class SpeechConfig(PreTrainedConfig):
    """Config of a speech encoder that is not one of Hugging Face's.

    Its model is called like theirs: (input_values, attention_mask, mask_time_indices,
    output_hidden_states) → BaseModelOutput. A subclass says how long its frames are.
    """

    sampling_rate: int = 16_000
    """Samples per second."""

    hidden_size: int = 64
    """Width of the frames that leave the encoder."""

    num_hidden_layers: int = 0
    """Layers whose output can be asked for."""

    def num_frames(self, num_samples: Any) -> Any:
        """Frames that leave the encoder for that many samples (an int or a tensor of ints)."""
        raise TypeError(f"{type(self).__name__} must define num_frames")

    @property
    def frame_stride(self) -> int:
        """Samples from one frame to the next."""
        raise TypeError(f"{type(self).__name__} must define frame_stride")

    @property
    def min_samples(self) -> int:
        """The shortest waveform that gives a frame; shorter ones are padded with zeros to it."""
        return 1

    @property
    def heard_seconds(self) -> float | None:
        """The length from which recordings lose their end in the encoder; None where none do."""
        return None

    @property
    def is_padding_safe(self) -> bool:
        """Whether padded samples leave the real frames alone."""
        return True
