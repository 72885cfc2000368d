"""
A real browser, Debian's Chromium without a window, and a web server of another origin for pages
that the program does not serve itself.
"""

import functools
import http.server
import shutil
import threading
from contextlib import contextmanager

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

from penstock import wait_until

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ABSENT = not (CHROMIUM and DRIVER)
PHONE, DESK = (360, 740), (1280, 900)
# It is to be the only one that asks for anything, and only what the page asks for.
QUIET = (
    "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --disable-extensions --hide-scrollbars --lang=en-GB"
).split()


class Browser:
    def __init__(self, folder, size=DESK, dark=False, script=""):
        """script runs in each page before its own."""
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*QUIET, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        width, height = size
        command = self.driver.execute_cdp_cmd
        command("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        if script:
            command("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def open(self, url):
        self.driver.get("about:blank")  # else another fragment of the same page is no new page
        self.driver.get(url)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """What a reader sees of the first one, or empty."""
        found = self.all(selector)
        try:
            return found[0].text if found else ""
        except StaleElementReferenceException:
            return ""

    def await_text(self, selector, text, seconds=60):
        try:
            wait_until(lambda: text in self.text(selector), seconds, f'"{text}" in {selector}')
        except AssertionError as error:
            raise AssertionError(f"{error}; it says: {self.text(selector)!r}; the console: {self.console()}") from None

    def click(self, selector, seconds=60):
        wait_until(lambda: any(each.is_displayed() and each.is_enabled() for each in self.all(selector)), seconds, f"{selector} can be clicked")
        next(each for each in self.all(selector) if each.is_displayed()).click()

    def source(self):
        """The page as it stands, with what its scripts have made."""
        return self.driver.page_source

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def console(self):
        """What the page's console has had since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self):
        """Where all that the page loaded came from."""
        return set(self.run("return performance.getEntriesByType('resource').map(each => new URL(each.name).origin)"))

    def too_wide(self):
        return self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def picture(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))

    def close(self):
        self.driver.quit()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def another_origin(folder):
    """The files of a folder, by a web server that is not the program's. Its origin."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
