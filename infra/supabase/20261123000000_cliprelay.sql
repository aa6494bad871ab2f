-- Cliprelay's part of a Supabase project: the bucket for clips, policies that keep everybody else from writing where the
-- service stores them, and one function that merges a finished job into a project's row. No table is changed, whether there
-- is one of projects or not. Run as the database's owner (`supabase db push`, or psql). Running it again changes nothing.
-- Undone by 20261123000000_cliprelay_down.sql.

begin;
-- No word about what is not there yet, or any more.
set local client_min_messages = warning;

-- Where the service stores clips (`<project>/clips/job_<id>/…`, in any bucket) nobody else writes, whatever other policies
-- allow them: these restrict and allow nothing. The service's key is not subject to policies. Reading stays as it is: a public
-- bucket's clips have plain addresses, a private one's are read by those whom a policy of yours lets, and by signed addresses.
do $$
declare
  v_clip text := $re$name ~ '^[^/]+/clips/job_[0-9a-f]+/'$re$;
begin
  if to_regclass('storage.objects') is not null then
    drop policy if exists cliprelay_clips_insert on storage.objects;
    drop policy if exists cliprelay_clips_update on storage.objects;
    drop policy if exists cliprelay_clips_delete on storage.objects;
    execute format('create policy cliprelay_clips_insert on storage.objects as restrictive for insert to public '
      'with check (not (%s))', v_clip);
    execute format('create policy cliprelay_clips_update on storage.objects as restrictive for update to public '
      'using (not (%1$s)) with check (not (%1$s))', v_clip);
    execute format('create policy cliprelay_clips_delete on storage.objects as restrictive for delete to public '
      'using (not (%s))', v_clip);
  end if;
exception
  -- Some installations give Storage's tables to another role. The rest of this works without the policies.
  when insufficient_privilege then
    raise warning 'cliprelay: no policies were made on storage.objects, which belongs to another role';
end
$$;

-- Merges a job's clips into one row, in one atomic UPDATE:
--   p_table    a table of schema public
--   p_columns  {"id","status","updated","clips"}: what its columns are called
--   p_id       the row's id, as text; text that the id's type cannot read is error 22P02
--   p_clips    becomes the key `clips` of the JSON object in the clips column; all its other keys stay
--   p_status   the new status; the update time becomes the present moment
-- Answers the number of rows changed, 1 or 0. Other columns stay as they are. A clips column that holds something other
-- than an object is error 22023: nothing of somebody else's is overwritten.
-- The columns may have any types that text casts to (uuid or text, an enum or text, jsonb, json or text).
create or replace function public.cliprelay_merge_project(
  p_table text, p_columns jsonb, p_id text, p_clips jsonb, p_status text
) returns integer
language plpgsql
volatile
security invoker
set search_path = public, pg_temp
as $$
declare
  v_table regclass := to_regclass(format('public.%I', p_table));
  v_name text;
  v_type text;
  v_types jsonb := '{}';
  v_rows integer;
begin
  if v_table is null then
    raise exception 'cliprelay: there is no table public.%', p_table using errcode = 'undefined_table';
  end if;
  foreach v_name in array array['id', 'status', 'updated', 'clips'] loop
    select format_type(a.atttypid, a.atttypmod) into v_type
      from pg_catalog.pg_attribute a
      where a.attrelid = v_table and a.attname = p_columns ->> v_name and a.attnum > 0 and not a.attisdropped;
    if v_type is null then
      raise exception 'cliprelay: table % has no column % (for %)', p_table, p_columns ->> v_name, v_name
        using errcode = 'undefined_column';
    end if;
    v_types := v_types || jsonb_build_object(v_name, v_type);
  end loop;

  -- The update's condition and its new value are computed on the newest version of the row: Postgres waits for a
  -- concurrent writer and looks again.
  execute format(
    'update %1$s set
       %2$I = jsonb_set(
         public.cliprelay_object(%2$I::text), ''{clips}'', $1, true
       )::text::%3$s,
       %4$I = $2::%5$s,
       %6$I = clock_timestamp()
     where %7$I = $3::%8$s',
    v_table,
    p_columns ->> 'clips', v_types ->> 'clips',
    p_columns ->> 'status', v_types ->> 'status',
    p_columns ->> 'updated',
    p_columns ->> 'id', v_types ->> 'id'
  ) using p_clips, p_status, p_id;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$$;

-- The clips column's present value as an object: nothing counts as an empty one, anything else than an object is refused.
create or replace function public.cliprelay_object(p_value text) returns jsonb
language plpgsql
immutable
security invoker
set search_path = public, pg_temp
as $$
declare
  v_value jsonb := coalesce(nullif(p_value, ''), 'null')::jsonb;
begin
  case jsonb_typeof(v_value)
    when 'object' then return v_value;
    when 'null' then return '{}'::jsonb;
    else
      raise exception 'cliprelay: the clips column holds something else than a JSON object'
        using errcode = 'invalid_parameter_value';
  end case;
end
$$;

-- Only the service may call them. These roles exist on Supabase, not on a plain Postgres.
do $$
declare
  v_function text;
  v_role text;
begin
  foreach v_function in array array[
    'public.cliprelay_merge_project(text, jsonb, text, jsonb, text)',
    'public.cliprelay_object(text)'
  ] loop
    execute format('revoke all on function %s from public', v_function);
    foreach v_role in array array['anon', 'authenticated'] loop
      if exists (select from pg_catalog.pg_roles where rolname = v_role) then
        execute format('revoke all on function %s from %I', v_function, v_role);
      end if;
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
      execute format('grant execute on function %s to service_role', v_function);
    end if;
  end loop;
end
$$;

-- The bucket, public so that clips play from their address. Make it private if they must not; a bucket that exists already
-- is left as it is. Where there is no Storage (a plain Postgres), there is no bucket to make. That it was made here is noted on
-- a function of ours, for the way back: a bucket that was there before is nobody's to take away.
do $$
begin
  if to_regclass('storage.buckets') is not null then
    insert into storage.buckets (id, name, public) values ('videos', 'videos', true) on conflict (id) do nothing;
    if found then
      comment on function public.cliprelay_object(text) is 'made with the bucket videos';
    end if;
  end if;
end
$$;

-- PostgREST learns of the function at once.
notify pgrst, 'reload schema';

commit;
