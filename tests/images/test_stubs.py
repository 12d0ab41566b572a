"""Stubs of libraries, loaded by the real loader."""

import ctypes
import platform

import pytest
from gharial_cluster.images.slim import elf
from gharial_cluster.images.slim.elf import Wanted
from gharial_cluster.images.slim.stubs import stub

MACHINE = {"x86_64": 62, "aarch64": 183}[platform.machine()]
SYMBOLS = [
    Wanted("cudaGetDeviceCount", elf.STT_FUNC, "libgharialstub.so.13", "libgharialstub.so.13"),
    Wanted("cudaGetErrorString", elf.STT_FUNC, "libgharialstub.so.13", "libgharialstub.so.13"),
    Wanted("cudaGetLastError", elf.STT_FUNC, "libgharialstub.so.13", "OTHER_1.0"),
    Wanted("transport", elf.STT_OBJECT, None, None),
    *(Wanted(f"filler{number}", elf.STT_FUNC, None, None) for number in range(500)),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("stub") / "libgharialstub.so.13"
    path.write_bytes(stub(path.name, MACHINE, SYMBOLS))
    return ctypes.CDLL(str(path))


def test_a_function_says_that_there_is_no_gpu(library: ctypes.CDLL) -> None:
    assert library.cudaGetDeviceCount() == library.cudaGetLastError() == library.filler499() == 100


def test_a_function_that_returns_a_text_returns_one(library: ctypes.CDLL) -> None:
    function = library.cudaGetErrorString
    function.restype = ctypes.c_char_p
    assert b"for CPU cores" in function(100)


def test_a_variable_is_zero_and_can_be_written(library: ctypes.CDLL) -> None:
    variable = ctypes.c_int64.in_dll(library, "transport")
    assert variable.value == 0
    variable.value = 7
    assert ctypes.c_int64.in_dll(library, "transport").value == 7


def test_the_loader_finds_a_symbol_by_its_version_and_no_other(library: ctypes.CDLL) -> None:
    find = ctypes.CDLL(None).dlvsym
    find.restype = ctypes.c_void_p
    find.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    assert find(library._handle, b"cudaGetLastError", b"OTHER_1.0")
    assert not find(library._handle, b"cudaGetDeviceCount", b"OTHER_1.0")


def test_thread_local_variables_cannot_be_stubs() -> None:
    with pytest.raises(ValueError, match="thread-local"):
        stub("libx.so", MACHINE, [Wanted("x", elf.STT_TLS, None, None)])
