import { act, renderHook } from '@testing-library/react'
import { useState } from 'react'
import { expect, test } from 'vitest'
import { useSelection } from './useSelection'

const setup = () =>
  renderHook(() => {
    const [address, setAddress] = useState<string>()
    return { address, ...useSelection(address, setAddress) }
  }).result

test('a few runs are kept in the address, in the order they were chosen', () => {
  const it = setup()
  act(() => it.current.select(['b'], true))
  act(() => it.current.select(['a', 'b'], true))
  expect([it.current.address, it.current.picked]).toEqual(['b,a', ['b', 'a']])
  act(() => it.current.select(['b'], false))
  expect([it.current.address, it.current.picked]).toEqual(['a', ['a']])
})

test('many runs are kept aside, and return to the address when few are left', () => {
  const it = setup()
  const ids = Array.from({ length: 60 }, (_, index) => `r${index}`)
  act(() => it.current.select(ids, true))
  expect([it.current.address, it.current.picked.length]).toEqual([undefined, 60])
  act(() => it.current.select(ids.slice(2), false))
  expect([it.current.address, it.current.picked]).toEqual(['r0,r1', ['r0', 'r1']])
  act(() => it.current.clear())
  expect([it.current.address, it.current.picked]).toEqual([undefined, []])
})
