// Reading a node's counters.

/** How many message packets the node was asked to keep or to hand on; signalling and membership are not counted. */
export function messagePackets(counters) {
  const { stored_messages, passed_messages } = counters;
  if (stored_messages === undefined) throw new Error("the node does not count messages");
  return { stored_messages, passed_messages };
}
