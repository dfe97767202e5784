import { expect, test } from 'vitest'
import { byId } from './Palette'

test.each([
  ['fa353aa0b1c2d3e4f5061728394a5b6c', ['/runs/fa353aa0b1c2d3e4f5061728394a5b6c', '/traces/tr-fa353aa0b1c2d3e4f5061728394a5b6c']],
  ['tr-fa353aa0b1c2d3e4f5061728394a5b6c', ['/traces/tr-fa353aa0b1c2d3e4f5061728394a5b6c']],
  [' 12 ', ['/experiments/12']],
  ['mnist', []],
])('the id %j opens %j', (text, expected) => expect(byId(text).map((entry) => entry.to)).toEqual(expected))
