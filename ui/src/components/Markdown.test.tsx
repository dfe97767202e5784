import { expect, test } from 'vitest'
import { renderMarkdown } from './Markdown'

test('nothing in it can run', () => {
  const html = renderMarkdown('# Hi\n<script>alert(1)</script><img src=x onerror=alert(1)>\n[a](javascript:alert(1))\n<style>*{}</style><iframe src="/"></iframe>')
  expect(html).toContain('<h1>Hi</h1>')
  expect(html).not.toMatch(/script|onerror|<style|<iframe|javascript:/i)
})

test('a picture from elsewhere becomes a link, one of ours stays', () => {
  expect(renderMarkdown('![cat](https://elsewhere.test/cat.png)')).toContain('<a href="https://elsewhere.test/cat.png" target="_blank" rel="noopener noreferrer">cat</a>')
  expect(renderMarkdown('![plot](/api/plot.png)')).toContain('<img src="/api/plot.png"')
  expect(renderMarkdown('![x](//elsewhere.test/x.png)')).not.toContain('<img')
})
