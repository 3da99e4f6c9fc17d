"""What the whole application holds to."""

import subprocess
import sys


def test_serving_loads_no_training_library(finished_run, tmp_path, page):
    (tmp_path / "page.jpg").write_bytes(page)
    heavy = ["monai", "torch_geometric", "sklearn", "pandas", "matplotlib", "scipy"]
    code = f"""
import sys
from starlette.testclient import TestClient
from cardiograph.service.app import create_app
from cardiograph.service.settings import ServiceSettings
settings = ServiceSettings(run={str(finished_run)!r}, database={str(tmp_path / "records.sqlite")!r})
with TestClient(create_app(settings), base_url="http://localhost") as client:
    answer = client.post("/v1/predictions", files={{"page": open({str(tmp_path / "page.jpg")!r}, "rb")}})
print(answer.status_code, [name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "201 []\n"


def test_a_route_that_is_added_is_guarded_like_the_others(serve):
    from fastapi import APIRouter

    served, router = serve(require_key=True), APIRouter()
    router.add_api_route("/more", lambda: {"well": True})
    served.app.include_router(router)
    assert served.client.get("/more").status_code == 401
    result = served.client.get("/more", headers={"Authorization": f"Bearer {served.key('read')}"})
    assert (result.json(), result.headers["Cache-Control"]) == ({"well": True}, "no-store")
