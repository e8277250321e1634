// Memory is read after a collection, or a Node server would be charged for what it merely has not freed yet.
process.on("SIGUSR2", () => globalThis.gc?.());
