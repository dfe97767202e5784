/** The frame around every page: navigation, shortcuts, the command palette. */
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { Activity, FlaskConical, Keyboard, MessageSquareText, Monitor, Moon, Search, Settings, Sun, Waypoints } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { modKey, useKeys } from '../lib/keys'
import { setThemeChoice, useThemeChoice, type ThemeChoice } from '../lib/theme'
import { Palette } from './Palette'
import { Shortcuts } from './Shortcuts'
import styles from './Shell.module.css'
import { Toasts } from './Toast'

type Place = { to: string; label: string; key: string; icon: ReactNode }

/** The places one can go, in the order of the work: watch, ask, serve. */
export const places: { title?: string; items: Place[] }[] = [
  {
    title: 'Track',
    items: [
      { to: '/experiments', label: 'Experiments', key: 'g e', icon: <FlaskConical /> },
      { to: '/traces', label: 'Traces', key: 'g t', icon: <Activity /> },
    ],
  },
  { title: 'Build', items: [{ to: '/playground', label: 'Playground', key: 'g p', icon: <MessageSquareText /> }] },
  { title: 'Serve', items: [{ to: '/gateway', label: 'Gateway', key: 'g g', icon: <Waypoints /> }] },
]

const themes: { value: ThemeChoice; label: string; icon: ReactNode }[] = [
  { value: 'light', label: 'Light', icon: <Sun /> },
  { value: 'system', label: 'As the system', icon: <Monitor /> },
  { value: 'dark', label: 'Dark', icon: <Moon /> },
]

export function ThemeSwitch() {
  const choice = useThemeChoice()
  return (
    <div role="radiogroup" aria-label="Theme" className={styles.themes}>
      {themes.map((theme) => (
        <button key={theme.value} type="button" role="radio" aria-checked={choice === theme.value} aria-label={theme.label} title={theme.label} onClick={() => setThemeChoice(theme.value)}>
          {theme.icon}
        </button>
      ))}
    </div>
  )
}

export function Shell() {
  const navigate = useNavigate()
  const [palette, setPalette] = useState(false)
  const [sheet, setSheet] = useState(false)
  const go = (to: string) => () => void navigate({ to })
  useKeys({
    'mod+k': () => setPalette(true),
    '?': () => setSheet(true),
    'g s': go('/settings'),
    'g r': go('/experiments'),
    ...Object.fromEntries(places.flatMap((group) => group.items.map((item) => [item.key, go(item.to)]))),
    '/': () => document.querySelector<HTMLElement>('[data-filter]')?.focus(),
  })
  return (
    <div className={styles.shell}>
      <a href="#main" className={styles.skip}>
        Skip to the page
      </a>
      <nav className={styles.nav} aria-label="Main">
        <Link to="/experiments" className={styles.brand} aria-label="Tidegate, experiments">
          <Mark />
          <span>Tidegate</span>
        </Link>
        <button type="button" className={styles.search} onClick={() => setPalette(true)}>
          <Search />
          <span className="grow">Go to…</span>
          <kbd>{modKey}K</kbd>
        </button>
        {places.map((group) => (
          <div key={group.title} className={styles.group}>
            {group.title && <div className={styles.groupTitle}>{group.title}</div>}
            {group.items.map((item) => (
              <NavLink key={item.to} to={item.to} label={item.label} icon={item.icon} />
            ))}
          </div>
        ))}
        <span className="grow" />
        <NavLink to="/settings" label="Settings" icon={<Settings />} />
        <div className={styles.bottom}>
          <ThemeSwitch />
          <button type="button" className={styles.help} aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => setSheet(true)}>
            <Keyboard />
          </button>
        </div>
      </nav>
      <Outlet />
      <Palette open={palette} onClose={() => setPalette(false)} />
      <Shortcuts open={sheet} onClose={() => setSheet(false)} />
      <Toasts />
    </div>
  )
}

/** Pages that belong to a place although their address does not say so. */
const within: Record<string, string[]> = { '/experiments': ['/runs', '/compare'] }

function NavLink({ to, label, icon }: { to: string; label: string; icon: ReactNode }) {
  const path = useLocation({ select: (location) => location.pathname })
  const active = [to, ...(within[to] ?? [])].some((start) => path === start || path.startsWith(`${start}/`))
  return (
    <Link to={to} className={styles.link} aria-current={active ? 'page' : undefined}>
      {icon}
      {label}
    </Link>
  )
}

/** The gate in the tide. */
const Mark = () => (
  <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden className={styles.mark}>
    <path d="M3.500 3v14M16.500 3v14" />
    <path d="M3.500 8c2.600-2.200 3.900 1.700 6.500 1s3.900-2.600 6.500-1M3.500 13c2.600-2.200 3.900 1.700 6.500 1s3.900-2.600 6.500-1" opacity=".75" />
  </svg>
)
