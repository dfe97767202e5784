/** A menu of actions behind one button. */
import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'
import styles from './Menu.module.css'

export type MenuItem = { label: ReactNode; icon?: ReactNode; hint?: string; danger?: boolean; disabled?: boolean; onSelect: () => void } | 'separator'

export function Menu({ trigger, items, align = 'end' }: { trigger: ReactNode; items: MenuItem[]; align?: 'start' | 'end' }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={styles.panel} align={align} sideOffset={4}>
          {items.map((item, index) =>
            item === 'separator' ? (
              <DropdownMenu.Separator key={index} className={styles.separator} />
            ) : (
              <DropdownMenu.Item key={index} disabled={item.disabled} className={`${styles.item} ${item.danger ? styles.danger : ''}`} onSelect={item.onSelect}>
                {item.icon}
                <span className="grow">{item.label}</span>
                {item.hint && <kbd>{item.hint}</kbd>}
              </DropdownMenu.Item>
            ),
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}
