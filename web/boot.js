// Starts the app. A file of its own, so that the page works under `script-src 'self' 'wasm-unsafe-eval'`.
(() => {
  "use strict";

  // Before the first paint: a page that flashes white is a poor dark theme.
  try {
    const theme = localStorage.getItem("harbor-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // No storage, no remembered theme.
  }

  const failed = (sentence) => {
    const text = document.getElementById("splash-text");
    if (!text) return;
    text.textContent = sentence;
    text.setAttribute("role", "alert");
    text.dataset.testid = "error-text";
  };

  const start = async () => {
    document.getElementById("crash-reload").addEventListener("click", () => location.reload());
    if (typeof WebAssembly !== "object") {
      return failed("This browser cannot run Harbor. Use a current Firefox, Chrome, Edge or Safari.");
    }
    try {
      // Trunk puts the hashed names into these two elements.
      const script = document.querySelector('link[rel="modulepreload"]').href;
      const wasm = document.querySelector('link[rel="preload"][as="fetch"]').href;
      const app = await import(script);
      await app.default({ module_or_path: wasm });
    } catch {
      return failed("Harbor could not be loaded completely. Check your connection and reload the page.");
    }
    if ("serviceWorker" in navigator && window.isSecureContext) {
      navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" }).catch(() => {});
    }
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
