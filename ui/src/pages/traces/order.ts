/** The list last looked at, so that `j` and `k` on a trace walk it without going back. */

let order: string[] = []

export const rememberOrder = (ids: string[]) => {
  order = ids
}

export function neighbours(id: string): { newer?: string; older?: string; place?: string } {
  const at = order.indexOf(id)
  if (at < 0) return {}
  const newer = order[at - 1]
  const older = order[at + 1]
  return { ...(newer ? { newer } : {}), ...(older ? { older } : {}), place: `${at + 1} of ${order.length}` }
}
