"""Frames of features as the inputs of a transformer."""

from torch import Tensor, nn

from crosstone.nn.dropping import Dropout


class FrameEmbeddings(nn.Module):
    """Projected frames plus learned positions and a type, then layer norm and dropout.

    To frames what BERT's embeddings are to tokens: the table of two types is as theirs, and every
    frame is of type 0. Positions count from 0.
    """

    def __init__(
        self,
        num_features: int,
        width: int,
        max_frames: int,
        *,
        dropout: float = 0.0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(num_features, width)
        self.positions = nn.Embedding(max_frames, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, norm_eps)
        self.dropout = Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """features (B, T, F), at most `max_frames` of them → (B, T, D)."""
        positions = self.positions.weight[: features.shape[1]]
        placed = self.project(features) + positions + self.types.weight[0]
        return self.dropout(self.norm(placed))
