// Reading a node's counters.

/** How many message packets the node was ever asked to keep or to hand on; signalling is not among them. */
export function messagePackets(counters) {
  return { stored: counters.stored, passed: counters.passed };
}
