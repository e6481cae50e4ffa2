"""Stands in for the compiled extension where that has not been built.

An extension module of the same name comes first in the import order, so this file
is only ever run when there is none.
"""

raise ImportError(
    "zkcredit's compiled extension is missing: "
    "run `make demo` in the source tree, or `pip install .`",
    name="zkcredit._native",
)
