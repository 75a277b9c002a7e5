"""Fetches ONNX Runtime's shared library into .cache/, once, and checks its digest.

The library is the one inside the `onnxruntime` wheel. pip downloads the wheel for this machine; the wheel and the
library are checked against the digests below, so it does not matter which mirror served them. Nothing is installed.

    python3 scripts/fetch-runtime.py [FOLDER]

Says where the library lies. Run again, it does nothing.
"""

import hashlib
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

VERSION = "1.31.1"

# (system, machine) -> pip's platform tag, library in the wheel, SHA-256 of the wheel.
WHEELS = {
    ("Linux", "x86_64"): (
        "manylinux_2_28_x86_64",
        f"libonnxruntime.so.{VERSION}",
        "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
    ),
    ("Linux", "aarch64"): (
        "manylinux_2_28_aarch64",
        f"libonnxruntime.so.{VERSION}",
        "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
    ),
    ("Darwin", "arm64"): (
        "macosx_14_0_arm64",
        f"libonnxruntime.{VERSION}.dylib",
        "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
    ),
}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".cache") / f"onnxruntime-{VERSION}"
    try:
        tag, library, digest = WHEELS[platform.system(), platform.machine()]
    except KeyError:
        sys.exit(f"no ONNX Runtime is known for {platform.system()} on {platform.machine()}; "
                 "build one and point ORT_DYLIB_PATH at it")
    suffix = "dylib" if library.endswith("dylib") else "so"
    target = folder / f"libonnxruntime.{suffix}"
    if target.exists() and (folder / "digest").exists() and (folder / "digest").read_text() == sha256(target):
        print(f"ONNX Runtime {VERSION} is at {target}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = download(tag, pathlib.Path(scratch))
        found = sha256(wheel)
        if found != digest:
            sys.exit(f"{wheel.name} has SHA-256 {found}, expected {digest}: it is not what was published; nothing was kept")
        unpack(wheel, library, folder, target)
    (folder / "digest").write_text(sha256(target))
    print(f"ONNX Runtime {VERSION} is at {target}")


def download(tag, scratch):
    """The wheel for this machine, whatever Python runs this."""
    print(f"fetching ONNX Runtime {VERSION} ({tag}) with pip", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--abi=cp311", f"--platform={tag}",
               "--dest", str(scratch), f"onnxruntime=={VERSION}"]
    if subprocess.run(command).returncode != 0:
        sys.exit("pip could not download the wheel: is pip there (python3 -m pip --version) and is PyPI reachable?")
    return next(scratch.glob("*.whl"))


def unpack(wheel, library, folder, target):
    """The library under a name without its version, with the licence and notices it must travel with."""
    wanted = {f"onnxruntime/capi/{library}": target, "onnxruntime/LICENSE": folder / "LICENSE",
              "onnxruntime/ThirdPartyNotices.txt": folder / "ThirdPartyNotices.txt"}
    with zipfile.ZipFile(wheel) as archive:
        for name, path in wanted.items():
            partial = path.with_name(path.name + ".partial")
            with archive.open(name) as source, open(partial, "wb") as out:
                shutil.copyfileobj(source, out)
            partial.replace(path)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
