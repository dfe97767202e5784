/** The selected runs: in the address as long as that stays a usable address, in memory beyond. */
import { useMemo, useState } from 'react'
import { joinList, splitList } from '../../lib/search'

/** Ids of this many runs still make an address that servers and chats accept. */
const inAddressMax = 50

export function useSelection(inAddress: string | undefined, setInAddress: (joined: string | undefined) => void): { picked: string[]; select: (ids: string[], on: boolean) => void; clear: () => void } {
  const [many, setMany] = useState<string[]>()
  const picked = useMemo(() => many ?? splitList(inAddress), [many, inAddress])
  const put = (next: string[]) => {
    const fits = next.length <= inAddressMax
    setMany(fits ? undefined : next)
    setInAddress(fits && next.length > 0 ? joinList(next) : undefined)
  }
  const select = (ids: string[], on: boolean) => {
    const given = new Set(ids)
    const known = new Set(picked)
    put([...picked.filter((id) => on || !given.has(id)), ...(on ? ids.filter((id) => !known.has(id)) : [])])
  }
  return { picked, select, clear: () => put([]) }
}
