/** Markdown as people write it, cleaned of anything that could run. */
import DOMPurify from 'dompurify'
import { marked } from 'marked'
import { useMemo } from 'react'
import styles from './Markdown.module.css'

/** The page's policy lets nothing load from elsewhere, so a foreign picture becomes its link. */
const clean = (html: string): string => {
  const fragment = DOMPurify.sanitize(html, { FORBID_TAGS: ['style', 'form', 'input', 'button', 'iframe'], FORBID_ATTR: ['style', 'id', 'class'], RETURN_DOM_FRAGMENT: true })
  for (const image of fragment.querySelectorAll('img')) {
    const source = image.getAttribute('src') ?? ''
    if (/^(data:image\/|\/(?!\/))/.test(source)) continue
    const link = document.createElement('a')
    link.href = source
    link.textContent = image.alt || source
    image.replaceWith(link)
  }
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank'
    link.rel = 'noopener noreferrer'
  }
  const host = document.createElement('div')
  host.append(fragment)
  return host.innerHTML
}

export const renderMarkdown = (text: string): string => clean(marked.parse(text, { async: false, gfm: true, breaks: true }))

export function Markdown({ text }: { text: string }) {
  const html = useMemo(() => renderMarkdown(text), [text])
  return <div className={styles.markdown} dangerouslySetInnerHTML={{ __html: html }} />
}
