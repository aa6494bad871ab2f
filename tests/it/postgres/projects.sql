-- A table of projects as an app had it that asked Klap by itself, with its own enumeration, columns, policy and one row.

create type public.project_status as enum ('draft', 'processing', 'ready', 'failed');
create table public.projects (
  id uuid primary key default gen_random_uuid(),
  user_id text not null,
  title text,
  description text,
  video_url text,
  status public.project_status not null default 'draft',
  folders jsonb not null default '{"clips": [], "images": [], "social": [], "blog": []}',
  tasks jsonb not null default '[]',
  klap_project_id text,
  klap_folder_id text,
  klap_status text check (klap_status in ('idle', 'queued', 'processing', 'completed', 'failed')),
  klap_task_id text,
  klap_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.projects enable row level security;
create policy own on public.projects for all to authenticated using (user_id = auth.uid()::text);
insert into public.projects (id, user_id, title, video_url, folders, tasks) values
  ('11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222', 'Holidays', 'https://example.com/v.mp4',
   '{"clips": ["an old one"], "images": ["a.png"], "social": [], "blog": []}', '[{"type": "clips"}, {"type": "blog"}]');
