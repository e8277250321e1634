/** Why something failed. The same words in Rust, in the protocol's documents and here. */
export type HarborErrorCode =
  | "not_initialized"
  | "offline"
  | "timeout"
  | "aborted"
  | "closed"
  | "unauthorized"
  | "quota_exceeded"
  | "bad_invite"
  | "invite_expired"
  | "invite_used"
  | "not_found"
  | "bad_input"
  | "refused"
  | "storage_lost"
  | "insecure_context"
  | "unsupported"
  | "crashed";

/** What to do about it, for a developer's console; a person gets the app's own words. */
const ADVICE: Record<HarborErrorCode, string> = {
  not_initialized: "connect() has not given this identity a name yet",
  offline: "no node can be reached; try again when there is a network",
  timeout: "a node was reached and did not answer in time; try again",
  aborted: "the AbortSignal said so",
  closed: "this Harbor was closed; connect() again",
  unauthorized: "only an admin may do this, or you are no longer a member",
  quota_exceeded: "the disk, this origin's share of it, or the outbox is full; free some space and try again",
  bad_invite: "this is no invite, or a part of the link is missing; ask for it again",
  invite_expired: "the invite's time is over; ask for a new one",
  invite_used: "the invite was used or taken back; ask for a new one",
  not_found: "there is no such topic or message here",
  bad_input: "empty or too long: a message holds 60 KiB, a name 128 bytes",
  refused: "the message was refused for good",
  storage_lost: "the browser erased what was kept here; erase() and connect() start anew",
  insecure_context: "browsers give web crypto to https and localhost only; open the page by https",
  unsupported: "needs a browser with IndexedDB, Web Locks and BroadcastChannel, outside of private mode",
  crashed: "a bug in Harbor, or a failing disk; reload the page",
};

const RETRYABLE: ReadonlySet<HarborErrorCode> = new Set(["offline", "timeout", "quota_exceeded"]);

/** Every failure of this package. */
export class HarborError extends Error {
  override readonly name = "HarborError";
  readonly code: HarborErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;

  constructor(code: HarborErrorCode, options?: ErrorOptions) {
    super(`${code}: ${ADVICE[code]}`, options);
    this.code = code;
    this.retryable = RETRYABLE.has(code);
  }
}

/** True for a HarborError, and with `code` for that one only; also across copies of this package. */
export function isHarborError(e: unknown, code?: HarborErrorCode): e is HarborError {
  const error = e as Partial<HarborError> | null | undefined;
  return error?.name === "HarborError" && (code === undefined || error.code === code);
}

/** Awaits a call into the wasm, which throws `{ code }`; anything else it throws is a crash. */
export async function told<T>(call: () => Promise<T> | T): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    if (isHarborError(thrown)) throw thrown;
    const code = (thrown as { code?: unknown } | null)?.code;
    if (typeof code === "string" && code in ADVICE) throw new HarborError(code as HarborErrorCode);
    throw new HarborError("crashed", { cause: thrown });
  }
}

/** Stops waiting, not working: what was asked for goes on. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const aborted = () => new HarborError("aborted", { cause: signal.reason });
  if (signal.aborted) {
    work.catch(() => {});
    throw aborted();
  }
  let stop = () => {};
  const abort = new Promise<never>((_, reject) => {
    stop = () => reject(aborted());
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, abort]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
