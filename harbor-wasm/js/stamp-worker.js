// Searches work stamps. Gets { module } once, then { job } or { job: null }; answers { ready } or { failed },
// then { stamp, nonce } for every job that ends. The module's other imports are never called by harbor_stamp.
const TRIES = 1 << 15; // some milliseconds: how long a cancelled job still runs
let search = null;
let job = null;
let next = 0n;
let waiting = false; // a turn is on its way
const turn = new MessageChannel();

function takeTurn() {
  if (waiting) return;
  waiting = true;
  turn.port2.postMessage(0);
}

async function load(module) {
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = () => {
      throw new Error("not in a worker");
    };
  }
  const { exports } = await WebAssembly.instantiate(module, imports);
  search = exports.harbor_stamp;
  postMessage(search ? { ready: true } : { failed: true });
}

turn.port1.onmessage = () => {
  waiting = false;
  if (!job) return;
  const [a, b, c, d] = job.packet;
  const nonce = BigInt.asUintN(64, search(a, b, c, d, job.hour, job.bits, next, TRIES));
  if (nonce === 0xffffffffffffffffn) {
    next += BigInt(TRIES);
    takeTurn();
  } else {
    postMessage({ stamp: job.stamp, nonce });
    job = null;
  }
};

onmessage = ({ data }) => {
  if (data.module) {
    load(data.module).catch(() => postMessage({ failed: true }));
    return;
  }
  job = data.job;
  next = 0n;
  if (job) takeTurn();
};
