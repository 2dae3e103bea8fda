"""Module: the base of layers and networks, a tree that knows its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinydl.autograd import no_grad
from tinydl.device import Device, get_device
from tinydl.errors import NamedError
from tinydl.op import check_tensors
from tinydl.tensor import Tensor, tensor

Hook = Callable[["Module", tuple[Any, ...], Any], Any]


class Parameter(Tensor):
    """A tensor that training changes: a leaf that requires gradients and that its module lists.

    `Parameter(t)` takes over the values, shape and dtype of the tensor t, without a copy. Raises TypeError for
    integers.
    """

    __slots__ = ()

    def __init__(self, values: Tensor) -> None:
        check_tensors("Parameter", values)
        super().__init__(values._data, values.device, requires_grad=True)
        self._memory = values.memory()


class Module:
    """The base of layers and networks.

    Write `forward`, and set parameters and submodules as attributes: the module finds them there, in the
    order in which they were set. Call the module itself, not `forward`. Parameters are float32 unless `astype`
    says otherwise. Raises TypeError for modules or parameters in a plain list, tuple or dictionary, which would not
    be trained; NotImplementedError when called without a `forward`.

        class Double(nn.Module):
            def __init__(self):
                self.layer = nn.Dense(4, 2)

            def forward(self, x):
                return 2 * self.layer(x)
    """

    training = True

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any) -> Any:
        try:
            out = self.forward(*inputs)
        except NamedError as error:
            if not error.named_by_layer and not any(True for _ in self.children()):
                error.who = repr(self)
            error.named_by_layer = True
            raise
        if hooks := self.__dict__.get("_forward_hooks"):
            for hook in tuple(hooks.values()):
                changed = hook(self, inputs, out)
                out = out if changed is None else changed
        return out

    def __setattr__(self, name: str, value: Any) -> None:
        held = value.values() if isinstance(value, dict) else value
        if isinstance(held, list | tuple) or isinstance(value, dict):
            for item in held:
                if isinstance(item, Module | Parameter):
                    raise TypeError(
                        f"{type(self).__name__}.{name}: modules and parameters in a {type(value).__name__} "
                        "would not be trained; use nn.ModuleList or nn.Sequential, or an attribute for each"
                    )
        if name in vars(self).get("_buffers", ()) and value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"{type(self).__name__}.{name} is a buffer; assign a Tensor or None, got {type(value).__name__}"
            )
        object.__setattr__(self, name, value)

    # ---- the tree

    def children(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and module for the modules that are attributes of this one."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, with their dotted names; each once."""
        seen: set[Module] = set()
        for name, module in self._walk(prefix, ()):
            if module not in seen:
                seen.add(module)
                yield name, module

    def _walk(self, name: str, above: tuple[Module, ...]) -> Iterator[tuple[str, Module]]:
        """This module and all below it, under every name that they have."""
        if self not in above:
            yield name, self
            for key, child in self.children():
                yield from child._walk(f"{name}.{key}" if name else key, (*above, self))

    def modules(self) -> Iterator[Module]:
        """This module and all below it; each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names; shared ones once, under their first name."""
        seen: set[int] = set()
        for name, value in self._named_tensors():
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> list[Parameter]:
        """All parameters; shared ones once."""
        return [parameter for _, parameter in self.named_parameters()]

    def register_buffer(self, name: str, values: Tensor | np.ndarray[Any, Any]) -> None:
        """Sets an attribute that is saved and moved with the module, but not trained.

        A tensor, or an array of any shape, which becomes one in its dtype. Raises TypeError for what is no number.
        """
        buffers: set[str] = self.__dict__.setdefault("_buffers", set())
        buffers.add(name)
        setattr(self, name, values if isinstance(values, Tensor) else tensor(values))

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted names; shared ones once, under their first name."""
        seen: set[int] = set()
        for name, value in self._named_tensors():
            if not isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers, module by module, under every name that they have."""
        for path, module in self._walk("", ()):
            buffers = vars(module).get("_buffers", ())
            for name, value in vars(module).items():
                if isinstance(value, Parameter) or (name in buffers and isinstance(value, Tensor)):
                    yield f"{path}.{name}" if path else name, value

    # ---- state

    def train(self, mode: bool = True) -> Self:
        """Puts this module and all below it into training mode (dropout drops, batch norm measures)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Puts this module and all below it into evaluation mode."""
        return self.train(False)

    def to(self, device: str | Device) -> Self:
        """Moves parameters and buffers to a device, shapes and dtypes as they are. Make the optimiser afterwards.

        Raises: ValueError for a device of no such name.
        """
        home = get_device(device)
        for _, value in self._named_tensors():
            if value.device is home:
                continue
            value.touch()
            value._data, value.device, value._grad = (
                home.asarray(value.device.to_host(value._data)),
                home,
                None,
            )
        return self

    def astype(self, dtype: npt.DTypeLike) -> Self:
        """Converts floating parameters and buffers to float32 or float64. Make the optimiser afterwards.

        Raises: TypeError for another dtype.
        """
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise TypeError(
                f"{type(self).__name__}.astype: expected float32 or float64, got {np.dtype(dtype)}"
            )
        for _, value in self._named_tensors():
            if value.dtype.kind == "f":
                value.touch()
                value._data, value._grad = value._data.astype(dtype), None
        return self

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of all parameters and buffers as NumPy arrays, by dotted name, in order, in their dtypes.

        Never raises.
        """
        return {name: np.array(value.device.to_host(value._data)) for name, value in self._named_tensors()}

    def load_state_dict(
        self, state: Mapping[str, np.ndarray[Any, Any] | Tensor], strict: bool = True
    ) -> None:
        """Copies values into the parameters and buffers of the same names.

        Without `strict`, names that only one side has are left alone. Floats become the dtype of the parameter.
        Raises KeyError that lists all missing and unexpected names, ValueError that lists all wrong shapes and
        dtypes of another kind; nothing is changed then.
        """
        own = dict(self._named_tensors())
        who = type(self).__name__
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        host = {
            name: value.device.to_host(value._data) if isinstance(value, Tensor) else np.asarray(value)
            for name, value in ((name, state[name]) for name in own if name in state)
        }
        wrong = [
            f"{name}: shape {value.shape}, expected {own[name].shape}"
            if value.shape != own[name].shape
            else f"{name}: {value.dtype}, expected {own[name].dtype}"
            for name, value in host.items()
            if value.shape != own[name].shape or value.dtype.kind != own[name].dtype.kind
        ]
        said = [f"wrong: {'; '.join(wrong)}"] if wrong else []
        if strict and (missing or unexpected):
            said += [f"{what} keys: {', '.join(names)}" for what, names in
                     (("missing", missing), ("unexpected", unexpected)) if names]  # fmt: skip
            raise KeyError(f"{who}.load_state_dict: {'; '.join(said)}")
        if wrong:
            raise ValueError(f"{who}.load_state_dict: {'; '.join(said)}")
        for name, value in host.items():
            target = own[name]
            target.touch()
            target._data[...] = target.device.asarray(value.astype(target.dtype, copy=False))

    # ---- looking in

    def register_forward_hook(self, hook: Hook) -> Callable[[], None]:
        """Calls hook(module, inputs, output) after every forward pass; what it returns replaces the output.

        Returns a function that takes the hook off again.
        """
        hooks: dict[object, Hook] = self.__dict__.setdefault("_forward_hooks", {})
        key = object()
        hooks[key] = hook

        def remove() -> None:
            hooks.pop(key, None)

        return remove

    def multiply_adds(self, x: Tensor, out: Tensor) -> int:
        """The multiplications of this layer itself for one forward pass from x to out; 0 unless it says more."""
        return 0

    def summary(self, input_shape: tuple[int, ...]) -> str:
        """A table of the layers: output shapes, parameters and multiply-adds for one input of `input_shape`.

        The shape is without the batch axis: `LeNet5().summary((1, 32, 32))`. Prints the table and returns it.
        Raises what a forward pass raises, ValueError for a shape that does not fit.
        """
        text = summary(self, input_shape)
        print(text)
        return text

    def options(self) -> str:
        """What stands between the brackets of `repr`: sizes, and options that are not the default."""
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.children()]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self.options()
        return f"{type(self).__name__}({inside})"


class ModuleList(Module):
    """A list of modules that the module it belongs to knows of, with its parameters of any shape and dtype.

    Raises: TypeError for what is no Module, IndexError for a place out of range, NotImplementedError when called.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> None:
        """Adds a module at the end; raises TypeError for what is none."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a Module, got {type(module).__name__}")
        setattr(self, str(len(self)), module)

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.children())

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]


class Sequential(ModuleList):
    """Modules one after the other: each gets the output of the one before, of whatever shape and dtype.

    Raises: TypeError for what is no Module; when called, what its modules raise, in their names.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


def summary(model: Module, input_shape: tuple[int, ...]) -> str:
    """The table of `Module.summary`, one line for every use of a layer without submodules."""
    rows: list[tuple[str, str, str, int, int]] = []
    counted: set[int] = set()

    def line(name: str) -> Hook:
        def hook(module: Module, inputs: tuple[Any, ...], out: Any) -> None:
            own = [p for p in module.parameters() if id(p) not in counted]
            counted.update(id(p) for p in own)
            made = module.multiply_adds(inputs[0], out)
            rows.append((name, repr(module), str(out.shape[1:]), sum(p.size for p in own), made))

        return hook

    leaves = [(name, m) for name, m in model.named_modules() if not any(True for _ in m.children())]
    remove = [m.register_forward_hook(line(name)) for name, m in leaves]
    was_training = {m: m.training for m in model.modules()}
    first = next(iter(model.parameters()), None)
    x = Tensor(np.zeros((1, *input_shape), np.float32 if first is None else first.dtype))
    try:
        with no_grad():
            model.eval()(x if first is None else x.to(first.device))
    finally:
        for take_off in remove:
            take_off()
        for module, training in was_training.items():
            module.training = training
    lines = [("layer", "", "output", "parameters", "multiply-adds")]
    lines += [(name, what, shape, f"{n:,}", f"{made:,}") for name, what, shape, n, made in rows]
    total = sum(p.size for p in model.parameters())
    lines.append(("together", "", "", f"{total:,}", f"{sum(row[4] for row in rows):,}"))
    widths = [max(len(row[i]) for row in lines) for i in range(5)]
    table = ["  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
             for row in lines]  # fmt: skip
    rule = "-" * len(table[0])
    return "\n".join([table[0], rule, *table[1:-1], rule, table[-1]])
