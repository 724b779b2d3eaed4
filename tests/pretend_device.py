"""A pretend accelerator: it holds data, computes on the processor, and refuses what CUDA and MPS refuse.

Inside `with PretendDevice("cuda"):` (or "mps") the name works as a device on any machine. As on the real ones, no
operation takes tensors of both sides (but a number, or the indices of a tensor on the device, may lie on the
processor), the processor's generator draws nothing there, NumPy can't read it, and MPS has no float64.
`operations` are those that ran there, in order of their first call, `waits` the calls of `synchronize` with their arguments.

What it can't show: time, memory, a queue of work, CUDA graphs; an operation that MPS lacks, or does wrong; other
precision (TF32); a second card; what runs in a process of its own, such as a worker of joblib.
"""

from contextlib import ExitStack

import pytest
import torch
import torch._dynamo  # imported later, it would look into functions that are replaced here
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
CROSSING = (aten._to_copy.default, aten.copy_.default)  # may see both sides
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)
JOINING = (aten.cat.default, aten.stack.default)  # take not even a number of the other side
THERE = torch.device("meta")  # where PyTorch believes the tensors to lie: for it, too, a device of its own


class Held(Tensor):
    """A tensor on the device; only `stored`, which no operation on the processor sees, has its values."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner):
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        held = cls._make_wrapper_subclass(cls, inner.shape, **layout, device=THERE)
        held.stored = inner
        return held

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        raise RuntimeError(f"{operation} on a tensor that has outlived its pretend device")


def deep(function, value):
    """Return `value` with `function` applied to each part of its lists and tuples."""
    return (
        type(value)(deep(function, part) for part in value)
        if type(value) in (list, tuple)
        else function(value)
    )


class Operations(TorchDispatchMode):
    """Sees each operation, forward and backward, after autograd and vmap have done their part."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.seen = kind, {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs, tensors = kwargs or {}, []
        deep(
            lambda part: tensors.append(part) if isinstance(part, Tensor) else None, [*args, *kwargs.values()]
        )
        held, target = [t for t in tensors if isinstance(t, Held)], kwargs.get("device")
        if not held and target != THERE:
            return operation(*args, **kwargs)
        self.seen[operation] = None  # a dict keeps their order
        self.refuse(operation, args, tensors, held, kwargs.get("generator"))
        inner = {
            name: deep(lambda part: getattr(part, "stored", part), value) for name, value in kwargs.items()
        }
        inner |= {} if target is None else {"device": torch.device("cpu")}
        result = operation(*deep(lambda part: getattr(part, "stored", part), args), **inner)
        if operation._schema.name.endswith("_"):
            return args[0] if operation._schema.returns else None
        if "out" in kwargs:
            return kwargs["out"]
        return deep(self.hold, result) if target in (None, THERE) else result

    def hold(self, result):
        if not isinstance(result, Tensor):
            return result
        if self.kind == "mps" and result.dtype in (torch.float64, torch.complex128):
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it"
            )
        return Held(result)

    def refuse(self, operation, args, tensors, held, generator):
        if generator is not None:
            raise RuntimeError(f"Expected a '{self.kind}' device type for generator but found 'cpu'")
        if operation in CROSSING or (operation in INDEXING and isinstance(args[0], Held)):
            return
        changed = operation._schema.name.endswith("_") and not isinstance(args[0], Held)
        others = [t for t in tensors if not isinstance(t, Held)]
        if held and others and (changed or operation in JOINING or any(t.dim() for t in others)):
            sides = f"found at least two devices, {self.kind}:0 and cpu! ({operation})"
            raise RuntimeError(f"Expected all tensors to be on the same device, but {sides}")


class Names(TorchFunctionMode):
    """Translates the device's name, and does what PyTorch does for tensors of its own classes alone."""

    def __init__(self, kind):
        super().__init__()
        self.device = torch.device(kind, 0)
        self.on_processor = {Tensor.tolist, Tensor.__format__, Tensor.__repr__}
        self.unreadable = {Tensor.numpy, Tensor.__array__}
        self.answers = {Tensor.device.__get__: self.device, Tensor.is_meta.__get__: False}
        self.answers |= {getattr(Tensor, f"is_{name}").__get__: name == kind for name in ("cuda", "mps")}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.device:  # a name, not yet a place
            return function(*args, **(kwargs or {}))
        args, kwargs = [self.own(a) for a in args], {name: self.own(a) for name, a in (kwargs or {}).items()}
        if args and isinstance(args[0], Held):
            if function in self.unreadable:
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first"
                )
            if function in self.on_processor:
                args[0] = args[0].cpu()
            if function == Tensor.data.__set__:
                args[0].stored = args[1].stored
        if function in (torch.tensor, torch.as_tensor) and kwargs.pop("device", None) == THERE:
            return function(*args, **kwargs).to(THERE)
        if args and function in self.answers and args[0].is_meta:
            return self.answers[function]
        return function(*args, **kwargs)

    def own(self, name):
        """Return PyTorch's name for the device where `name` is ours; there is one card, number 0."""
        if isinstance(name, (str, torch.device)) and str(name).partition(":")[0] == self.device.type:
            if torch.device(name).index not in (None, 0):
                raise RuntimeError("CUDA error: invalid device ordinal")
            return THERE
        return name


class PretendDevice(ExitStack):
    """A machine that has a device of `kind`, "cuda" or "mps", and no other."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.waits = kind, []
        self.modes = Operations(kind), Names(kind)

    @property
    def operations(self):
        return list(self.modes[0].seen)

    def __enter__(self):
        change = self.enter_context(pytest.MonkeyPatch.context())
        change.setattr(torch.cuda, "is_available", lambda: self.kind == "cuda")
        change.setattr(torch.cuda, "device_count", lambda: int(self.kind == "cuda"))
        change.setattr(torch.backends.mps, "is_available", lambda: self.kind == "mps")
        change.setattr(torch.cuda, "get_device_name", lambda device=None: "a pretend GPU")
        change.setattr(torch.cuda, "max_memory_allocated", lambda device=None: 0)
        # Adam asks one or the other, and a PyTorch built for CUDA then asks a driver that may be missing.
        change.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        ask = "_accelerator_graph_capture_health_check"  # of PyTorch 2.15
        change.setattr(torch.optim.Optimizer, ask, lambda optimizer: None, raising=False)
        for name in ("empty_cache", "reset_peak_memory_stats"):
            change.setattr(torch.cuda, name, lambda device=None: None)
        for module in (torch.cuda, torch.mps):
            change.setattr(module, "synchronize", lambda *device: self.waits.append(device))
        for mode in self.modes:
            self.enter_context(mode)
        return self
