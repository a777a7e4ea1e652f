"""Generates the messages and stubs from the contract, beside this folder, into what is built."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
CONTRACT = HERE.parent.parent / "proto"


class BuildWithStubs(build_py):
    def run(self) -> None:
        super().run()
        import grpc_tools
        from grpc_tools import protoc

        includes = [f"-I{CONTRACT}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
        files = [str(path) for folder in ("concord", "buf") for path in sorted((CONTRACT / folder).rglob("*.proto"))]
        outs = [f"--{kind}_out={self.build_lib}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", *includes, *outs, *files]):
            raise SystemExit("protoc has failed")


setup(packages=find_packages(include=["concord_client*"]), cmdclass={"build_py": BuildWithStubs})
