/** Fills the server with what the tests look at, once, before any of them. */
import type { TestProject } from 'vitest/node'
import { seed, type Seeded } from './seed.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    url: string
    seeded: Seeded
  }
}

export default async function setup(project: TestProject) {
  const url = process.env.TIDEGATE_URL?.replace(/\/+$/, '')
  if (!url) throw new Error('TIDEGATE_URL is not set; start `tidegate server` and say where, for example TIDEGATE_URL=http://127.0.0.1:5000')
  project.provide('url', url)
  project.provide('seeded', await seed(url))
}
