"""The tied head: what it computes, and its gradients with those of the embeddings it shares."""

import pytest
import torch
import torch.nn.functional as F

from crosstone.nn.heads import TokenHead


@pytest.mark.parametrize("frozen", [True, False])
def test_a_tied_head_is_a_linear_layer_over_the_embeddings(frozen: bool) -> None:
    torch.manual_seed(0)
    head, table = TokenHead(8, 30, style="tied"), torch.randn(30, 8)
    ids, results = torch.randint(0, 30, (7,)), []
    for tied in (True, False):
        head.zero_grad()
        embeddings = table.clone().requires_grad_(not frozen)
        states = F.embedding(ids, embeddings)
        if tied:
            logits = head(states, embeddings)
        else:
            logits = F.linear(head.norm(F.gelu(head.dense(states))), embeddings, head.bias)
        logits.square().sum().backward()
        grads = [weight.grad for weight in (head.dense.weight, head.norm.weight, head.bias)]
        results.append([logits, *grads, *([] if frozen else [embeddings.grad])])
    for own, plain in zip(*results, strict=True):
        assert torch.equal(own, plain)
