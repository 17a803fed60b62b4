"""A real browser: Chromium without a window, driven by selenium.

Chromium and its driver are Debian's packages. Where they are missing they are installed as root on
Debian, as RabbitMQ is; on other machines tests that need them say what to install, and are skipped.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

from speechmq.dev.rabbitmq_debian import APT_GET, UPDATE, run_command
from speechmq.dev.rabbitmq_errors import CommandFailedError
from speechmq.dev.rabbitmq_source import is_debian

PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
INSTALL = (*APT_GET, "install", "-y", "--no-install-recommends", *PACKAGES)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOCK = Path(tempfile.gettempdir()) / "speechmq-chromium.lock"

DESKTOP = (1280, 800)
PHONE = (390, 844)

# A container has no user namespaces to build the sandbox from, and root may not go without asking.
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
)


@dataclass(frozen=True, slots=True)
class Chromium:
    browser: str
    driver: str


def find_chromium() -> Chromium | None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return Chromium(browser, driver) if browser and driver else None


def chromium_or_skip() -> Chromium:
    """Installs it if that can be done; one process at a time, the others find it done."""
    found = find_chromium()
    if found is None and may_install():
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = find_chromium() or install()
    if found is None:
        pytest.skip(
            "needs Chromium and chromedriver: install them (Debian: apt-get install "
            f"{' '.join(PACKAGES[:2])}), or run as root on Debian, where the tests install them"
        )
    return found


def may_install() -> bool:
    release = Path("/etc/os-release")
    has_debian = release.is_file() and is_debian(release.read_text(errors="replace"))
    return os.getuid() == 0 and has_debian and shutil.which("apt-get") is not None


def install() -> Chromium | None:
    try:
        run_command(INSTALL)
    except CommandFailedError:  # the lists are missing or older than the archive
        run_command(UPDATE)
        run_command(INSTALL)
    return find_chromium()


class Browser:
    """One tab. Every call goes to a thread, so that the test's event loop goes on."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    async def open(self, url: str) -> None:
        await asyncio.to_thread(self.driver.get, url)

    async def run(self, script: str, *arguments: Any) -> Any:
        """What a function's body returns, in the page."""
        return await asyncio.to_thread(self.driver.execute_script, script, *arguments)

    async def press(self, *keys: str) -> None:
        await asyncio.to_thread(ActionChains(self.driver).send_keys(*keys).perform)

    async def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        found: list[str] = await self.run(script, selector)
        return found

    async def until(
        self, script: str, *arguments: Any, wanted: Callable[[Any], bool] = bool
    ) -> Any:
        """What the script returns as soon as it is ``wanted``; fails after half a minute."""
        found = None
        try:
            async with asyncio.timeout(30):
                while not wanted(found := await self.run(script, *arguments)):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = await self.run("return document.body.innerText")
            raise AssertionError(f"{script} still is {found!r} on a page of {text!r}") from None
        return found

    async def resize(self, size: tuple[int, int]) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        await self._command(
            "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": size == PHONE}
        )

    async def prefer(self, scheme: str) -> None:
        """``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self._command("Emulation.setEmulatedMedia", {"features": [feature]})

    async def _command(self, name: str, parameters: dict[str, Any]) -> None:
        await asyncio.to_thread(self.driver.execute_cdp_cmd, name, parameters)

    async def picture(self, path: Path) -> None:
        await asyncio.to_thread(self.driver.save_screenshot, str(path))

    async def complaints(self) -> list[str]:
        """What the page's console has: errors of scripts, and what the policy stopped."""
        log = await asyncio.to_thread(self.driver.get_log, "browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]


@asynccontextmanager
async def browsing(chromium: Chromium) -> AsyncIterator[Browser]:
    """A browser of its own, with a profile that goes with it."""
    with tempfile.TemporaryDirectory(prefix="speechmq-chromium-") as profile:
        options = Options()
        options.binary_location = chromium.browser
        for switch in (*SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(chromium.driver)
        driver = await asyncio.to_thread(lambda: Chrome(options=options, service=service))
        try:
            driver.set_script_timeout(30)
            yield Browser(driver)
        finally:
            await asyncio.to_thread(driver.quit)
