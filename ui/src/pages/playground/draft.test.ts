import { beforeEach, describe, expect, test } from 'vitest'
import { emptyDraft, fill, loadDraft, messagesOf, newColumn, saveDraft, settingsOf, variablesOf, type Prompt } from './draft'

const prompt: Prompt = { system: 'You speak {{ language }}.', turns: [{ role: 'user', text: 'What is {{x}} in {{language}}?' }, { role: 'assistant', text: '' }] }

test('variables are found once each, in order', () => {
  expect(variablesOf([prompt, { system: '', turns: [{ role: 'user', text: '{{y}} {{ x }} {{1no}} {z}' }] }])).toEqual(['language', 'x', 'y'])
})

test('values are put in as they are, dollar signs included', () => {
  expect(fill('cost: {{price}}, {{missing}}.', { price: '$& $1' })).toBe('cost: $& $1, .')
})

test('empty turns and an empty system are not sent', () => {
  expect(messagesOf(prompt, { language: 'French', x: 'tide' })).toEqual([
    { role: 'system', content: 'You speak French.' },
    { role: 'user', content: 'What is tide in French?' },
  ])
  expect(messagesOf({ system: '  ', turns: [{ role: 'user', text: 'Hi' }] }, {})).toEqual([{ role: 'user', content: 'Hi' }])
})

describe('settings', () => {
  const column = (temperature: string, maxTokens: string) => ({ ...newColumn('e'), temperature, maxTokens })
  test('numbers, with a comma too', () => expect(settingsOf(column('0,5', '64'))).toEqual({ temperature: 0.5, maxTokens: 64 }))
  test('empty leaves it to the endpoint', () => expect(settingsOf(column('', ' '))).toEqual({}))
  test.each([
    ['warm', '1', 'temperature is `warm`'],
    ['3', '1', 'temperature is `3`'],
    ['1', '0', 'max tokens is `0`'],
    ['1', '1.5', 'max tokens is `1.5`'],
  ])('%s and %s are refused', (temperature, maxTokens, message) => expect(() => settingsOf(column(temperature, maxTokens))).toThrow(message))
})

describe('the draft in this browser', () => {
  beforeEach(() => localStorage.clear())
  test('comes back as it was', () => {
    const draft = { ...emptyDraft(), prompt, variables: { x: '1' } }
    saveDraft(draft)
    expect(loadDraft()).toEqual(draft)
  })
  test.each(['{broken', '{"prompt":{}}', '[]', 'null'])('%s is no draft', (stored) => {
    localStorage.setItem('tidegate.playground', stored)
    expect(loadDraft().prompt).toEqual({ system: '', turns: [{ role: 'user', text: '' }] })
  })
})
