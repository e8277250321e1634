// Ways to break the world of a page without the page's help. Each is a script that runs before the page's own.

/** A browser without WebRTC: an old one, or one whose owner switched it off. */
export const NO_WEBRTC = `
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "RTCDataChannel"]) delete window[name];
`;

/**
 * Lets a test cut direct connections:
 * `harborCable.swallow()` makes every data channel a black hole that still looks open (a cable pulled out far
 * away); `harborCable.tear()` closes every connection on this side, as a browser does when it notices, and the
 * cable is back.
 */
export const CABLE = `
  (() => {
    if (!window.RTCPeerConnection) return;
    const connections = new Set();
    const Real = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Real {
      constructor(...args) { super(...args); connections.add(this); }
    };
    let swallowing = false;
    const send = RTCDataChannel.prototype.send;
    RTCDataChannel.prototype.send = function (data) {
      window.harborCable.sent += 1;
      if (!swallowing) send.call(this, data);
    };
    window.harborCable = {
      sent: 0,
      swallow() { swallowing = true; },
      tear() { swallowing = false; for (const c of connections) c.close(); connections.clear(); },
      open() { return [...connections].filter((c) => c.connectionState === "connected").length; },
    };
  })();
`;

/**
 * A wall clock that a test may set ahead, as after a sleep: `localStorage["test-clock-ms"]` is added to it.
 * The monotonic clock stays, as it does in a machine that slept.
 */
export const CLOCK = `
  (() => {
    const Real = Date;
    const ahead = () => { try { return Number(localStorage.getItem("test-clock-ms") ?? 0); } catch { return 0; } };
    window.Date = class Date extends Real {
      constructor(...args) { args.length === 0 ? super(Real.now() + ahead()) : super(...args); }
      static now() { return Real.now() + ahead(); }
    };
  })();
`;

/** Counts what is read from IndexedDB, in \`harborReads\`: records, and the largest single answer. */
export const READS = `
  (() => {
    const reads = (window.harborReads = { records: 0, largest: 0 });
    const count = (n) => { reads.records += n; reads.largest = Math.max(reads.largest, n); };
    const watch = (request, size) => {
      request.addEventListener("success", () => count(size(request.result)));
      return request;
    };
    for (const kind of [IDBObjectStore, IDBIndex]) {
      for (const name of ["getAll", "getAllKeys", "getAllRecords"]) {
        const real = kind.prototype[name];
        if (real) kind.prototype[name] = function (...args) { return watch(real.apply(this, args), (r) => r.length); };
      }
      for (const name of ["get", "getKey"]) {
        const real = kind.prototype[name];
        kind.prototype[name] = function (...args) { return watch(real.apply(this, args), (r) => (r === undefined ? 0 : 1)); };
      }
      for (const name of ["openCursor", "openKeyCursor"]) {
        const real = kind.prototype[name];
        kind.prototype[name] = function (...args) { return watch(real.apply(this, args), (r) => (r === null ? 0 : 1)); };
      }
    }
  })();
`;

/** A device without room: while `harborFull` is set, every write to IndexedDB fails as it does then. */
export const FULL = `
  for (const name of ["put", "add"]) {
    const real = IDBObjectStore.prototype[name];
    IDBObjectStore.prototype[name] = function (...args) {
      if (window.harborFull) throw new DOMException("full", "QuotaExceededError");
      return real.apply(this, args);
    };
  }
`;
