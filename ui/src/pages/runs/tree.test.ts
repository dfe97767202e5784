import { expect, test } from 'vitest'
import type { Run } from '../../api/types'
import { arrange } from './tree'

const run = (id: string, parent?: string): Run => ({
  info: { run_id: id, experiment_id: '1', status: 'FINISHED', lifecycle_stage: 'active' },
  data: { tags: parent ? [{ key: 'mlflow.parentRunId', value: parent }] : [] },
})
const shape = (runs: Run[], nested = true, folded: string[] = []) => arrange(runs, nested, new Set(folded)).map((row) => `${'-'.repeat(row.depth)}${row.run.info.run_id}`)

const runs = [run('c2', 'p'), run('x'), run('c1', 'p'), run('g', 'c1'), run('p')]

test('children come under their parents, in the order given', () => expect(shape(runs)).toEqual(['x', 'p', '-c2', '-c1', '--g']))

test('a folded parent hides all below it', () => {
  expect(shape(runs, true, ['p'])).toEqual(['x', 'p'])
  expect(shape(runs, true, ['c1'])).toEqual(['x', 'p', '-c2', '-c1'])
})

test('sorted rows stay flat', () => expect(shape(runs, false)).toEqual(['c2', 'x', 'c1', 'g', 'p']))

test('a child whose parent is not loaded stands alone', () => expect(shape([run('c', 'elsewhere')])).toEqual(['c']))

test('runs that name each other as parent are still shown', () => expect(shape([run('a', 'b'), run('b', 'a'), run('self', 'self')]).toSorted()).toEqual(['-b', 'a', 'self']))
