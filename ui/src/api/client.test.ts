import { afterEach, expect, test, vi } from 'vitest'
import { ApiError, parseJson, request, withQuery } from './client'

afterEach(() => vi.unstubAllGlobals())

const answer = (status: number, body: string) => vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status })))
const failure = () => request('/x').then(() => undefined, (error: unknown) => error as ApiError)

test.each([
  [404, '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no run `x`"}', 'RESOURCE_DOES_NOT_EXIST', 'no run `x`'],
  [429, '{"error":{"message":"slow down","type":"rate_limit","code":null}}', 'rate_limit', 'slow down'],
  [422, '{"detail":"bad endpoint"}', '', 'bad endpoint'],
  [502, '<html>Bad gateway</html>', '', '502 error'],
  [500, 'plain words', '', 'plain words'],
])('a %i with %s becomes words', async (status, body, code, message) => {
  answer(status, body)
  expect(await failure()).toMatchObject({ status, code, message })
})

test('a server that does not answer is named', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
  expect(await failure()).toMatchObject({ status: 0, code: 'UNREACHABLE', message: expect.stringContaining(location.origin) })
})

test('a page instead of JSON is an error, not an empty answer', async () => {
  answer(200, '<!doctype html>')
  expect(await failure()).toMatchObject({ code: 'BAD_RESPONSE' })
})

test('an empty body is an empty object', async () => {
  answer(200, '')
  expect(await request('/x')).toEqual({})
})

test('bare NaN and Infinity are read, inside strings they stay', () => expect(parseJson('{"a":NaN,"b":-Infinity,"c":"NaN, Infinity"}')).toEqual({ a: null, b: -1.7976931348623157e308, c: 'NaN, Infinity' }))

test('a list repeats its key', () => expect(withQuery('/x', { id: ['1', '2'], none: undefined })).toBe('/x?id=1&id=2'))
