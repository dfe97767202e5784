/** The frame of every page: a header line with where one is, what this is, and what one can do. */
import { useEffect, type ReactNode } from 'react'
import styles from './Page.module.css'

type Props = { title: ReactNode; documentTitle: string; crumbs?: ReactNode[]; meta?: ReactNode; actions?: ReactNode; children: ReactNode }

export function Page({ title, documentTitle, crumbs, meta, actions, children }: Props) {
  useEffect(() => {
    document.title = `${documentTitle} · Tidegate`
  }, [documentTitle])
  return (
    <main className={styles.page} id="main">
      <header className={styles.header}>
        {crumbs?.map((crumb, index) => (
          <span key={index} className={styles.crumb}>
            {crumb}
            <span className={styles.slash}>/</span>
          </span>
        ))}
        <h1 className="truncate">{title}</h1>
        {meta && <div className={styles.meta}>{meta}</div>}
        <span className="grow" />
        {actions && <div className={styles.actions}>{actions}</div>}
      </header>
      {children}
    </main>
  )
}

/** The part of a page that scrolls when it is text rather than a table. */
export function Scroll({ children }: { children: ReactNode }) {
  return <div className={styles.scroll}>{children}</div>
}

/** A titled part of a page, set off by a hairline. */
export function Section({ title, aside, children, id }: { title: ReactNode; aside?: ReactNode; children: ReactNode; id?: string }) {
  return (
    <section className={styles.section} id={id}>
      <div className={styles.sectionHead}>
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  )
}

/** The line at the bottom of a table page. */
export function Foot({ children }: { children: ReactNode }) {
  return <div className={styles.foot}>{children}</div>
}
