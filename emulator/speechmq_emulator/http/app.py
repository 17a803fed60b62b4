"""Which paths the second port has."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from speechmq_emulator.http import api_keys, health
from speechmq_emulator.http.errors import answer_error
from speechmq_emulator.http.loopback import LoopbackOnly
from speechmq_emulator.keys import KeyRing

_ADMIN = "/admin"


def application(
    vitals: health.Vitals, keys: KeyRing, *, admin: Sequence[BaseRoute] = ()
) -> Starlette:
    """Health probes for everybody, temporary keys for API keys, ``admin`` for this machine.

    The routes of ``admin`` lie under ``/admin``; without any there is no such path.
    """
    routes = [*health.routes(vitals), *api_keys.routes(keys), *admin]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(LoopbackOnly, under=_ADMIN)] if admin else [],
        exception_handlers={HTTPException: answer_error},
    )
    app.router.redirect_slashes = False
    return app
