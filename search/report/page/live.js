// Reloads a served page when its version changes.
"use strict";
(() => {
  const INTERVAL = 3000; // milliseconds
  const shown = document.documentElement.dataset.version;
  const status = document.getElementById("live");

  async function check() {
    try {
      const answer = await fetch("version", { cache: "no-store" });
      if (answer.ok && (await answer.text()) !== shown) {
        location.reload();
        return;
      }
      status.textContent = "This page updates itself.";
    } catch (error) {
      status.textContent = "The server of this page has stopped, so the page no longer updates itself.";
    }
    setTimeout(check, INTERVAL);
  }

  setTimeout(check, INTERVAL);
})();
