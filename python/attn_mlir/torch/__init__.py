"""torch interoperability: torch's attention functions on our kernels.

torch is an optional extra. Every operator is registered with `torch.library`,
so that `torch.compile` and `torch.export` see one opaque call.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "attn_mlir.torch needs torch: pip install attn-mlir[torch]"
    ) from error

from .block_mask import BlockMask, create_block_mask
from .flex import AuxOutput, AuxRequest, flex_attention
from .mods import and_masks, noop_mask, or_masks
from .sdpa import scaled_dot_product_attention
from .transformers import register_transformers

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "and_masks",
    "create_block_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
    "register_transformers",
    "scaled_dot_product_attention",
]
