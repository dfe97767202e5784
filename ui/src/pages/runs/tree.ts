/** Runs in the order they are shown: children under their parents, unless a parent is folded. */
import { tagsOf } from '../../api/runs'
import type { Run } from '../../api/types'

export type RunRow = { run: Run; depth: number; children: number }

export const parentOf = (run: Run): string | undefined => tagsOf(run).get('mlflow.parentRunId')

/** With `nested` off, as after sorting, rows keep the server's order. A child whose parent is not loaded stands alone. */
export function arrange(runs: Run[], nested: boolean, folded: ReadonlySet<string>): RunRow[] {
  if (!nested) return runs.map((run) => ({ run, depth: 0, children: 0 }))
  const byId = new Map(runs.map((run) => [run.info.run_id, run]))
  const children = new Map<string, Run[]>()
  const roots: Run[] = []
  for (const run of runs) {
    const parent = parentOf(run)
    if (parent !== undefined && parent !== run.info.run_id && byId.has(parent)) append(children, parent, run)
    else roots.push(run)
  }
  const rows: RunRow[] = []
  const placed = new Set<string>()
  const place = (run: Run, depth: number) => {
    if (placed.has(run.info.run_id)) return
    placed.add(run.info.run_id)
    const below = children.get(run.info.run_id) ?? []
    rows.push({ run, depth, children: below.length })
    for (const child of below) {
      if (folded.has(run.info.run_id)) placed.add(child.info.run_id)
      else place(child, depth + 1)
    }
  }
  for (const run of roots) place(run, 0)
  // Runs that name each other as parent have no root; they are shown all the same.
  for (const run of runs) if (!placed.has(run.info.run_id) && !hiddenBy(run, folded, byId)) place(run, 0)
  return rows
}

function append(children: Map<string, Run[]>, parent: string, run: Run) {
  const siblings = children.get(parent)
  if (siblings) siblings.push(run)
  else children.set(parent, [run])
}

function hiddenBy(run: Run, folded: ReadonlySet<string>, byId: Map<string, Run>): boolean {
  const seen = new Set<string>()
  for (let at: Run | undefined = run; at; ) {
    const parent: string | undefined = parentOf(at)
    if (parent === undefined || seen.has(parent)) return false
    if (folded.has(parent)) return true
    seen.add(parent)
    at = byId.get(parent)
  }
  return false
}
