"""What CMU-MOSEI and CMU-MOSI share: the formats of the CMU Multimodal SDK, read without it."""
