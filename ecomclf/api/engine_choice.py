"""Where trials and files are worked on: this machine, or a Ray cluster."""

from ecomclf.errors import RequestError


def check_engine(engine: str | None, address: str | None) -> None:
    """Check the name of an engine, and that an address goes with it.

    Raises:
        RequestError: there is no such engine, or an address without Ray.

    """
    if engine not in (None, "local", "ray"):
        raise RequestError(f"the engine must be local or ray but got {engine!r}")
    if address and engine != "ray":
        raise RequestError(
            f"the address {address!r} is that of a Ray cluster; ask for the engine ray with it"
        )
